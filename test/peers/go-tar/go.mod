module tare.test/go-tar

go 1.21
