"""The INT8 workshop: calibrate in one pass, choose thresholds, write Q/DQ, lint. Needs no GPU and no torch.

histogram.py    |x| of one tensor, gathered as it streams by
thresholds.py   METHODS: from a histogram to the largest value that INT8 shall represent
legacy.py       the cutoff and quantile search of TensorRT 2 and 3
graph.py        an ONNX graph made ready: opset raised, constants and batch normalisation folded, indexed
bodies.py       what nodes read, their branches and loop bodies included
head.py         the detection head, found by structure
placement.py    what is quantized, and which tensors share a scale
fragile.py      depthwise layers that no single scale can serve
segments.py     a model cut into pieces, so that observing it needs bounded memory
calibrate.py    the one pass, and what it leaves: a Calibration
scales.py       from thresholds to scales, shared and rounded
qdq.py          the writer: one set of scales, two files
softmax.py      Softmax written out, for the CPU file
half.py         what INT8 leaves over, in float16
cache.py        calibration caches of TensorRT 10 and older
lint.py         what is wrong with a Q/DQ graph, why, and the mend

The algorithms are the published ones; where one was never published, its file says what was chosen instead.
"""
