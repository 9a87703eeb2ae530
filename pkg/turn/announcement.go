package turn

// AddressPath is where a TURN server's supervisor serves its public address, on the port of
// its metrics.
const AddressPath = "/address"

// Announcement is the answer at AddressPath.
type Announcement struct {
	// Address is an IP address.
	Address string `json:"address"`
}
