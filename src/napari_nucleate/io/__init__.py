"""Files in and out: images, labels, tables; one file a format."""
