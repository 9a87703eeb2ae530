package chart

import "testing"

// Each cluster has its own way of leading visitors to a Service.
func TestServicesAreReachedAsTheClusterNeeds(t *testing.T) {
	reached := func(service string) map[string]string {
		return map[string]string{
			service + ".spec.type":                     "LoadBalancer",
			service + ".spec.loadBalancerClass":        "example.com/lb",
			service + ".spec.loadBalancerSourceRanges": `["192.0.2.0/24","2001:db8::/32"]`,
			service + ".spec.externalTrafficPolicy":    "Local",
			service + ".spec.ipFamilyPolicy":           "PreferDualStack",
			service + ".spec.ipFamilies":               `["IPv6","IPv4"]`,
		}
	}
	const how = `=@json:{"type":"LoadBalancer","loadBalancerClass":"example.com/lb","loadBalancerSourceRanges":["192.0.2.0/24","2001:db8::/32"],` +
		`"externalTrafficPolicy":"Local","ipFamilyPolicy":"PreferDualStack","ipFamilies":["IPv6","IPv4"]}`
	checkFields(t, map[string]fieldCase{
		"the activator's": {[]string{"activator.service" + how}, reached("Service/vdi-activator ")},
		"coturn's": {[]string{"coturn.hostNetwork=false", "turn.urls={turn:[2001:db8::1]:3478}", "coturn.service" + how},
			reached("Service/vdi-coturn ")},
		"by default as the cluster says": {nil, map[string]string{
			"Service/vdi-activator .spec.ipFamilies": "", "Service/vdi-activator .spec.ipFamilyPolicy": "",
			"Service/vdi-activator .spec.externalTrafficPolicy": ""}},
		"the ones inside stay inside": {[]string{"activator.service" + how}, map[string]string{
			"Service/vdi-activator-internal .spec.type": "ClusterIP", "Service/vdi-activator-internal .spec.loadBalancerClass": ""}},
	})
}
