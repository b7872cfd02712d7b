"""The report as one HTML file: charts as SVG, tables that sort, everything inside the file."""
