"""Files of features: .npz, folders of .npy, and the .mat files of other codes."""
