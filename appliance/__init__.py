"""All that runs on the device: clinic in, partner out, results home."""

VERSION = "0.1.0"
# How our software names itself to DICOM (PS3.7 D.3.3.2, PS3.10 7.1); the UID was made once.
IMPLEMENTATION = "2.25.211461973208842163419517026903182457261"
IMPLEMENTATION_VERSION = f"RPACS_{VERSION}"
ENGINE = f"research-pacs {VERSION}"
