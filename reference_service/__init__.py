"""A video-processing service: upload, queue, seven checkpointed stages, publish."""
