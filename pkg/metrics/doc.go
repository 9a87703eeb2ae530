// Package metrics names what the operator and the activator count: each program's
// metrics in a file of its own. It registers them and counts nothing itself, but for
// what follows from the sessions as they are at a scrape.
package metrics
