package demo

import "afteryou/internal/fakeapi"

var ZZ = func([]fakeapi.Request) {}
