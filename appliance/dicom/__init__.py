"""The door to the clinic's network: what comes in, what goes out, what we ask, by DICOM."""
