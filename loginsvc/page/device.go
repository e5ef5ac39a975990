package page

import "strings"

// unknownDevice is the name of a device that says nothing we know.
const unknownDevice = "Unknown device"

// maxUserAgent bounds what is read of a header, in bytes.
const maxUserAgent = 512

// A mark says what a part of a User-Agent header means.
type mark struct{ part, name string }

// DeviceName says in words what a User-Agent header claims, such as "Firefox on
// Linux". The words are ours and never the header's. It knows the browsers and
// systems that people have; for all else, and for what hides, it says so rather
// than guess: "Unknown device", or the half that is known.
func DeviceName(userAgent string) string {
	if len(userAgent) > maxUserAgent {
		userAgent = userAgent[:maxUserAgent]
	}
	program, system := programOf(userAgent), systemOf(userAgent)
	switch {
	case program != "" && system != "":
		return program + " on " + system
	case program != "":
		return program
	case system != "":
		return "Unknown browser on " + system
	}
	return unknownDevice
}

// programOf names the program. The order matters: nearly all of them say that
// they are Chrome and Safari as well.
func programOf(userAgent string) string {
	for _, m := range [...]mark{
		{"Edg/", "Edge"},
		{"EdgA/", "Edge"},
		{"EdgiOS/", "Edge"},
		{"Edge/", "Edge"},
		{"OPR/", "Opera"},
		{"OPiOS/", "Opera"},
		{"OPT/", "Opera"},
		{"Vivaldi/", "Vivaldi"},
		{"SamsungBrowser/", "Samsung Internet"},
		{"YaBrowser/", "Yandex Browser"},
		{"DuckDuckGo/", "DuckDuckGo"},
		{"Ddg/", "DuckDuckGo"},
		{"Firefox/", "Firefox"},
		{"FxiOS/", "Firefox"},
		{"Chromium/", "Chromium"},
		{"CriOS/", "Chrome"},
		{"HeadlessChrome/", "Chrome"},
		{"Chrome/", "Chrome"},
		{"curl/", "curl"},
		{"Wget/", "Wget"},
		{"PostmanRuntime/", "Postman"},
		{"python-requests/", "Python"},
		{"Python-urllib/", "Python"},
		{"Go-http-client/", "Go"},
	} {
		if strings.Contains(userAgent, m.part) {
			return m.name
		}
	}
	if strings.Contains(userAgent, "Version/") && strings.Contains(userAgent, "Safari/") && !strings.Contains(userAgent, "Android") {
		return "Safari"
	}
	return ""
}

// systemOf names the system. An iPad says that it is a Mac unless asked for the
// mobile site, and cannot be told from one.
func systemOf(userAgent string) string {
	for _, m := range [...]mark{
		{"iPhone", "iOS"},
		{"iPod", "iOS"},
		{"iPad", "iPadOS"},
		{"Android", "Android"},
		{"CrOS", "ChromeOS"},
		{"Windows NT", "Windows"},
		{"Macintosh", "macOS"},
		{"Mac OS X", "macOS"},
		{"FreeBSD", "FreeBSD"},
		{"OpenBSD", "OpenBSD"},
		{"Linux", "Linux"},
	} {
		if strings.Contains(userAgent, m.part) {
			return m.name
		}
	}
	return ""
}

// isHandheld reports whether a device that [DeviceName] named has a small
// screen.
func isHandheld(device string) bool {
	return strings.HasSuffix(device, " on iOS") || strings.HasSuffix(device, " on iPadOS") || strings.HasSuffix(device, " on Android")
}
