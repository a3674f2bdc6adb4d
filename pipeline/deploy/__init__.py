"""The deployed model: one ONNX file that takes an image and gives its mask."""
