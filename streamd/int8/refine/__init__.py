"""What mends INT8 with gradients: AdaRound, and quantization-aware training by distillation. Needs torch.

attributes.py   what a node says of itself
operators.py    OPERATORS: ONNX operators in torch; windows.py, shapes.py and resizing.py hold the larger ones
fake.py         quantization with gradients
network.py      a graph run by torch, in float or as its Q/DQ file would run
crops.py        windows of what a network is fed
blocks.py       which layers are reconstructed together
soft.py         AdaRound's soft rounding
adaround.py     the reconstruction, block by block
units.py        how far one step may move a weight
student.py      weights, biases and scales as parameters
distill.py      the training
checkpoint.py   finished work, kept

Torch comes with the extra `train` alone: nothing outside imports this package but commands that were asked for it.
"""
