"""Work in motion: channels, stages and the pipeline. This room has never heard of video."""
