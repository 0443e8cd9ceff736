"""From an uploaded manifest, JSON, YAML or a playlist, to a checked value with every issue reported in one pass.

The package is pure and knows clips by their keys only: whether a clip exists and is audio is for `planning`.

model            the values of a valid manifest, and the operator's limits
parse            bytes to a manifest, or one error with every issue
output_section   the output, within the limits of its format
clips_section    clips, globs and silences
fields           the table of all fields: types, limits, defaults, descriptions
field_reader     a mapping checked against the table; the list of issues
json_schema      the JSON Schema of manifests, from the table; for the command only
documents        JSON and YAML to plain values, without ambiguity
playlists        ffconcat and M3U to the document of an equivalent manifest
object_keys      the rules of OSS for object keys
similar_keys     the keys that the name of a missing clip may mean
glob_patterns    glob patterns and natural order
expand_globs     globs replaced by the clips that they match
durations        durations such as 1m30s
"""
