"""Networks as graphs in files that need none of this project's code: ONNX and torch.export."""
