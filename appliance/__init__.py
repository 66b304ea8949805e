"""All that runs on the device: clinic in, partner out, results home."""

VERSION = "0.1.0"
ENGINE = f"research-pacs {VERSION}"
