module testbed/flux

go 1.26.0
