"""What a plan will take before it runs. Pure, except for reading a file of prices.

estimates  length, size, tasks, requests and cost of a plan
prices  the table of prices, and the operator's own
"""
