"""The tests: unit touches nothing, contract and flow the local cloud, localyun the local cloud itself."""
