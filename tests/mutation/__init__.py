"""Mutation testing of the lines that decide: each is changed in turn, and some test has to fail.

`make mutants` plants all of them in one build (plant), where a variable of the environment chooses which is alive, and
runs for each the tests that its file names (hunt).
"""
