"""The sources of data: fetched or local files, pictures, and packed arrays of bytes."""
