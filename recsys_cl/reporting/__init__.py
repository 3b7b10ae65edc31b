"""Tables, charts, the HTML report."""
