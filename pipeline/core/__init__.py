"""What every room stands on: params, files, terminal, paths, git. It knows no images."""
