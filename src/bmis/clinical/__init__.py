"""Studies of clinical images in; DICOM objects, NIfTI volumes and measurements out."""
