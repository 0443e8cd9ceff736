"""The `clipstitch` command: everything that a person, or a script, does with the project. Never deployed.

main                     arguments in, exit code out; the only module that knows the command-line library
desk exits failures      what a command works with, how it ends, how an error is told
connection               the environment, and what the project's own s.yaml adds to it
explain plan drop jobs show up demo      one module per command
doctor doctor_*          checks and open questions: facts in, findings out; who asks the cloud, and tidies up
words slips              a process string in words, and what is probably wrong with it; pure
following                a job on its way, with a progress bar
pcm picture svg          decoded audio, and two ways to draw it

`clipstitch explain` must start fast: SDKs and the local cloud are imported only where they are used.
"""
