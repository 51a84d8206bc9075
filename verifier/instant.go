package main

import "time"

// dayMs is a day in milliseconds.
const dayMs = 24 * 60 * 60 * 1000

// parseInstant reads 2026-11-10T00:00:01.000Z as milliseconds since 1970, and nothing in another form.
func parseInstant(s string) (int64, bool) {
	if len(s) != 24 || s[4] != '-' || s[7] != '-' || s[10] != 'T' || s[13] != ':' || s[16] != ':' ||
		s[19] != '.' || s[23] != 'Z' {
		return 0, false
	}
	part := func(from, to int) int {
		value := 0
		for i := from; i < to; i++ {
			if s[i] < '0' || s[i] > '9' {
				return -1
			}
			value = value*10 + int(s[i]-'0')
		}
		return value
	}
	year, month, day := part(0, 4), part(5, 7), part(8, 10)
	hour, minute, second, milli := part(11, 13), part(14, 16), part(17, 19), part(20, 23)
	if year < 0 || month < 1 || month > 12 || day < 1 || day > daysIn(year, month) || hour < 0 ||
		hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59 || milli < 0 {
		return 0, false
	}
	days := daysBefore(year, month) + int64(day-1)
	return days*dayMs + int64(hour)*3600000 + int64(minute)*60000 + int64(second)*1000 + int64(milli), true
}

// formatInstant writes milliseconds since 1970 as entries do.
func formatInstant(ms int64) string {
	return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z")
}

func isLeap(year int) bool { return year%4 == 0 && (year%100 != 0 || year%400 == 0) }

func daysIn(year, month int) int {
	switch {
	case month == 2 && isLeap(year):
		return 29
	case month == 2:
		return 28
	case month == 4 || month == 6 || month == 9 || month == 11:
		return 30
	}
	return 31
}

var daysBeforeMonth = [13]int{0, 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334}

// daysBefore counts the days from 1970-01-01 to the first of a month of a year from 0 to 9999.
func daysBefore(year, month int) int64 {
	days := daysBeforeMonth[month]
	if month > 2 && isLeap(year) {
		days++
	}
	before := year - 1
	return int64(before)*365 + int64(floorDiv(before, 4)-floorDiv(before, 100)+floorDiv(before, 400)) +
		int64(days) - 719162
}

func floorDiv(a, b int) int {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
