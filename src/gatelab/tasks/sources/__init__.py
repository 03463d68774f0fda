"""Where data come from: fetched or local files, pictures, and how arrays of bytes are kept."""
