package ratelimit

import "time"

// Header reads the headers of a response with the given status; get is http.Header's Get.
func Header(get func(string) string, status int, now time.Time) (Limit, bool) { return Limit{}, false }
