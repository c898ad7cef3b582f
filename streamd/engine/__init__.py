"""From an ONNX file to a TensorRT engine: `streamd build`. TensorRT 8.6 to 11 and TensorRT-RTX.

    made = build(library, ask, target, watch)     # one call of TensorRT; nothing is written
    deliver(made, ask.out)                        # engine and manifest, whole or not at all

ask.py          what is asked for, and the options that would ask for it again
target.py       the GPU that is built for
source.py       the ONNX file: its types, its sides settled, in float16, or without its Q and DQ nodes
unquantize.py   a Q/DQ model back in floating point, for a GPU that has no INT8
network.py      the file through TensorRT's parser
configure.py    the builder's configuration, by what this version has
build.py        build: all of it in order, and FP16 where INT8 cannot be built
progress.py     how far the build is, from TensorRT's nested phases
watch.py        what TensorRT says meanwhile: its log, its progress, and whether to stop
timing.py       the timing cache of a GPU, kept between builds
calibrators.py  implicit INT8 before TensorRT 11: its calibrators, fed with the project's own pictures
ranges.py       implicit INT8 before TensorRT 11: ranges from the project's own scales; data.py finds both
audit.py        what became of each layer: its precision, and what conversions cost
layers.py       the layers, read from what TensorRT tells of them; inspector.py asks its engine inspector
parity.py       an engine against ONNX Runtime on real frames
deliver.py      engine and manifest, put where they belong

What differs between versions is asked of the module (streamd/infer/library.py), never of its number.
"""
