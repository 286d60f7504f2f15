"""``bmis serve --dicom``: a DICOM node. Series come by C-STORE, their segmentations go back."""
