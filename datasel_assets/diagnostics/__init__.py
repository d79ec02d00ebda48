"""Numbers, pictures and pages about sets of rows. Arrays and frames in; dataclasses, frames, PNG bytes, HTML out."""
