"""How the box names its software to its DICOM peers (PS3.7 D.3.3.2)."""

from pydicom.uid import UID

from appliance import VERSION

# Made once for research-pacs.
IMPLEMENTATION = UID("2.25.211461973208842163419517026903182457261")
IMPLEMENTATION_VERSION = f"RPACS_{VERSION}"
