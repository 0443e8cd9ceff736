"""Values as text, tables, trees and pictures. Never changes anything in a cloud; only job_progress reads from one.

process_text  a process string in words
process_table  a process string as a table and lines
lint_process  likely errors in a process string
plan_text  a plan with its clips, steps and output
plan_tree  a plan's steps as a tree
render_text  a render step in words
estimate_table  an estimate as a table
job_text  the state of a job in words
job_progress  follows a job with a progress bar
decoded_audio  decodes audio, and measures its level
waveform  merged audio as block characters
svg  merged audio as an SVG file
"""
