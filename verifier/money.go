package main

import (
	"math/big"
	"strings"
)

// A fraction is an exact amount of pico-USD. It need not be in lowest terms; its divisor is above 0.
type fraction struct{ n, d *big.Int }

var (
	one      = big.NewInt(1)
	thousand = big.NewInt(1000)
	// maxCost is $1,000,000 in pico-USD. What costs more counts as having no price.
	maxCost = new(big.Int).Exp(big.NewInt(10), big.NewInt(18), nil)
)

func whole(n int64) fraction { return fraction{big.NewInt(n), one} }

// bigOf reads a decimal that was checked.
func bigOf(s string) *big.Int {
	value, _ := new(big.Int).SetString(s, 10)
	return value
}

// parseFraction reads n or n/d as entries write them.
func parseFraction(s string) (fraction, bool) {
	numerator, divisor := s, "1"
	if i := strings.IndexByte(s, '/'); i >= 0 {
		numerator, divisor = s[:i], s[i+1:]
	}
	if !isDigits(numerator) || !isDigits(divisor) || divisor == "0" {
		return fraction{}, false
	}
	return fraction{bigOf(numerator), bigOf(divisor)}, true
}

// isDigits is isDecimal without a limit: the exact cost of dear things has many digits.
func isDigits(s string) bool {
	if s == "" || len(s) > 200 || s[0] == '0' && len(s) > 1 {
		return false
	}
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

func (f fraction) compare(g fraction) int {
	if f.d.Cmp(g.d) == 0 {
		return f.n.Cmp(g.n)
	}
	left, right := new(big.Int).Mul(f.n, g.d), new(big.Int).Mul(g.n, f.d)
	return left.Cmp(right)
}

func (f fraction) plus(g fraction) fraction {
	if f.d.Cmp(g.d) == 0 {
		return fraction{new(big.Int).Add(f.n, g.n), f.d}
	}
	left, right := new(big.Int).Mul(f.n, g.d), new(big.Int).Mul(g.n, f.d)
	return fraction{left.Add(left, right), new(big.Int).Mul(f.d, g.d)}
}

func (f fraction) times(count *big.Int) fraction {
	return fraction{new(big.Int).Mul(f.n, count), f.d}
}

func (f fraction) String() string {
	if f.d.Cmp(one) == 0 {
		return f.n.String()
	}
	return f.n.String() + "/" + f.d.String()
}

// tooDear tells whether a cost is above $1,000,000.
func (f fraction) tooDear() bool { return f.n.Cmp(new(big.Int).Mul(maxCost, f.d)) > 0 }

// nanoHalfEven gives pico-USD as nano-USD, half to even.
func (f fraction) nanoHalfEven() int64 {
	divisor := new(big.Int).Mul(f.d, thousand)
	quotient, rest := new(big.Int).QuoRem(f.n, divisor, new(big.Int))
	half := rest.Lsh(rest, 1).Cmp(divisor)
	if half > 0 || half == 0 && quotient.Bit(0) == 1 {
		quotient.Add(quotient, one)
	}
	return quotient.Int64()
}

// nanoUp gives pico-USD as nano-USD, rounded up.
func (f fraction) nanoUp() int64 {
	divisor := new(big.Int).Mul(f.d, thousand)
	quotient, rest := new(big.Int).QuoRem(f.n, divisor, new(big.Int))
	if rest.Sign() > 0 {
		quotient.Add(quotient, one)
	}
	return quotient.Int64()
}

// sum adds amounts and tells whether the result is still an amount.
func sum(amounts ...int64) (int64, bool) {
	var total int64
	for _, a := range amounts {
		next := total + a
		if (a > 0 && next < total) || (a < 0 && next > total) {
			return 0, false
		}
		total = next
	}
	return total, true
}

func least(a, b int64) int64 {
	if a < b {
		return a
	}
	return b
}
