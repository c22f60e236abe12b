"""Behind scripts/report: one self-contained HTML file of a folder of results. README.md has the parts."""
