module tare.test/go-deflate

go 1.21
