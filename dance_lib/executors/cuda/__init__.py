"""The sparse executor on NVIDIA GPUs: whole batches at once, its kernels in Triton.

One kernel does the work: a matrix product whose rows are the kept positions of a clip, whose
columns are its kept channels in groups of eight, and whose sums go over taps and kept input
channels. Activations stay whole maps in memory; what is dropped is neither written nor read, and a
reader takes it for zeros. Kept channels that only the next unit reads are written side by side; but
for that nothing is moved, every shape is known beforehand, and the host need not know a plan to
launch it: one CUDA graph a batch size serves all plans.
"""
