package main

// A tier is a size of model. As a ceiling it may also be shed, which lies below all, or unlimited.
type tier int

const (
	shed tier = iota
	tierS
	tierM
	tierL
	tierXL
	unlimited
)

// noTier stands where there is none: no floor, no preferred tier, no grant.
const noTier tier = -1

var tierNames = [...]string{"shed", "S", "M", "L", "XL"}

func tierOf(s string) tier {
	for i, name := range tierNames {
		if s == name {
			return tier(i)
		}
	}
	return noTier
}

// String gives the tier as entries write it, and nothing for no tier and no ceiling.
func (t tier) String() string {
	if t < shed || t > tierXL {
		return ""
	}
	return tierNames[t]
}
