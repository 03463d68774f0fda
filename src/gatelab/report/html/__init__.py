"""The comparison page as HTML: template, style, script, and what fills them."""
