"""Carry out a render step: clips in, one file out, with FFmpeg. Only the function `render` imports this package.

Every clip is decoded in a process of its own, so that one odd clip changes nothing for the others, to raw samples in a
file. Python joins these files sample by sample, and FFmpeg encodes the result. Memory use does not depend on the number
or the length of the clips: the samples are in files, and only their edges are looked at in Python.

ffmpeg    FFmpeg as a child process, with limits
decode    one clip to raw samples
channels  the conversion of channels, as filters
edges     silence at the edges, fades and crossfades, on samples
timeline  raw clips to one raw file, exact to the sample
encode    a raw file to a file in an output format
render    the whole step
renderer  a step whose clips are objects
"""
