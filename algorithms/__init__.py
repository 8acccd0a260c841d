"""Everything that decides: which server hosts which blocks, which chains exist, which chain takes the next job."""
