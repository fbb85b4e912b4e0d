"""Pages and pictures: report.html, curves, maps, skeletons."""
