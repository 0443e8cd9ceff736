"""`clipstitch doctor`: is everything in its place, and what does the cloud do where nobody says?

command                         the two commands, from a shell's environment to findings that are shown
facts, findings, checks         what is looked at, what was found, and the order of looking; pure
messages, storage, triggers, deployed, functions, jobs      the judgements: facts in, findings out; pure
asking, oss, openapi            facts from the cloud: the only modules here that know SDKs
live, options, experiments, tones, trials, bench, listening, undo   `--live`: experiments, made and undone
questions, report               what an experiment says to our assumptions; pure; and the report
"""
