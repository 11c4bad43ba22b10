"""Networks for engines that take static graphs: a codebook of plans, ONNX files, a device's kit."""
