"""Charts as inline SVG in the page's own colours; every mark tells its value, every chart has its table."""
