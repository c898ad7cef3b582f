"""The only room that holds CUDA handles. Nothing here imports CuPy before it is asked for a device."""
