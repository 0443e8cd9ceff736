"""The local Intelligent Media Management (IMM): projects, attached buckets and media tasks that FFmpeg runs.

No module outside `http` knows HTTP. The package shares no code with the product that formats process
strings, so that the two implementations of the grammar check each other.

http             the API 2020-09-30 over HTTP
values           projects, attachments, tasks, ids and the completion notification
task_spec        what a media task does: sources, encoding and target
errors           the errors that IMM reports
process_string   parses process strings such as `audio/concat,f_mp3|sys/saveas,o_eA`
target_template  expands the variables of target names
resolve          turns a parsed process string or an API request into a task specification
output_formats   the limits of the seven output formats and their FFmpeg arguments
ffmpeg           runs FFmpeg as a child process and parses its log
conversion       converts a clip to the rate and the channels of the output
join             joins audio files to the sample
flac             finds FLAC streams one after the other in a file
mp4              reads how long the audio of an MP4 file is
unreadable       says why a file is not audio that can be read
audio_info       measures an object for `audio/info`
run_task         executes one task: fetch the sources, join them, store the target
store            keeps projects, attachments and tasks in SQLite
service          the rules of IMM and the pool of workers
"""
