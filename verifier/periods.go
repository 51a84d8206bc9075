package main

import (
	"fmt"
	"time"
	// The zones come with the program, so that no machine lacks them.
	_ "time/tzdata"
)

// A span is a calendar month or year: its key, its first moment and the first moment after it.
type span struct {
	key        string
	start, end int64
}

func (s *span) has(at int64) bool { return s != nil && s.start <= at && at < s.end }

// A calendar tells months and years in a zone.
type calendar struct {
	zone        string
	location    *time.Location
	month, year *span
}

func newCalendar(zone string) (*calendar, error) {
	location, err := time.LoadLocation(zone)
	if err != nil || zone == "" || zone == "Local" {
		return nil, fmt.Errorf("the time zone %q is not known", zone)
	}
	return &calendar{zone: zone, location: location}, nil
}

// monthOf gives the month of a moment; yearOf its year.
func (c *calendar) monthOf(at int64) *span {
	if !c.month.has(at) {
		local := time.UnixMilli(at).In(c.location)
		c.month = c.monthSpan(local.Year(), int(local.Month()))
	}
	return c.month
}

func (c *calendar) yearOf(at int64) *span {
	if !c.year.has(at) {
		c.year = c.yearSpan(time.UnixMilli(at).In(c.location).Year())
	}
	return c.year
}

func (c *calendar) monthSpan(year, month int) *span {
	next, after := year, month+1
	if after > 12 {
		next, after = year+1, 1
	}
	return &span{fmt.Sprintf("%04d-%02d@%s", year, month, c.zone), c.firstMoment(year, month), c.firstMoment(next, after)}
}

func (c *calendar) yearSpan(year int) *span {
	return &span{fmt.Sprintf("%04d@%s", year, c.zone), c.firstMoment(year, 1), c.firstMoment(year+1, 1)}
}

// firstMoment finds the first moment whose local date is in the month or later. Where the clock skips
// midnight there is no 00:00 to ask for, so it is searched.
func (c *calendar) firstMoment(year, month int) int64 {
	near := time.Date(year, time.Month(month), 1, 0, 0, 0, 0, time.UTC).UnixMilli()
	before, after := near-2*dayMs, near+2*dayMs
	for after-before > 1 {
		middle := before + (after-before)/2
		local := time.UnixMilli(middle).In(c.location)
		if local.Year() > year || local.Year() == year && int(local.Month()) >= month {
			after = middle
		} else {
			before = middle
		}
	}
	return after
}
