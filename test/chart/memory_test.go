package chart

import "testing"

func TestGoKnowsTheMemoryLimit(t *testing.T) {
	pod := func(component string) string {
		return "Deployment/vdi-" + component + " .spec.template.spec.containers[0]"
	}
	checkFields(t, map[string]fieldCase{
		"of 2Gi and 1Gi, nine tenths": {nil, map[string]string{
			pod("activator") + ".env[?(@.name=='GOMEMLIMIT')].value": "1932735283",
			pod("activator") + ".resources.limits.memory":            "2Gi",
			pod("operator") + ".env[?(@.name=='GOMEMLIMIT')].value":  "966367641",
			pod("operator") + ".resources.limits.memory":             "1Gi",
		}},
		"of the portal's 256Mi, too": {peopleSignIn, map[string]string{
			pod("portal") + ".env[?(@.name=='GOMEMLIMIT')].value": "241591910", pod("portal") + ".resources.limits.memory": "256Mi"}},
		"of the program's on nodes": {[]string{"doze.enabled=true"}, map[string]string{
			"DaemonSet/vdi-node .spec.template.spec.containers[0].env[?(@.name=='GOMEMLIMIT')].value": "120795955"}},
		"in units of ten": {[]string{"activator.resources.limits.memory=1.5G"}, map[string]string{
			pod("activator") + ".env[*].value": "1350000000",
		}},
		"of all that is taken": {[]string{"activator.resources.limits.memory=16Ti"}, map[string]string{
			pod("activator") + ".env[*].value": "15832967439974",
		}},
		"which it then does not say twice": {
			[]string{"activator.extraEnv[0].name=GOMEMLIMIT", "activator.extraEnv[0].value=1GiB", "activator.extraEnv[1].name=A"},
			map[string]string{pod("activator") + ".env[*].name": "GOMEMLIMIT A POD_NAME POD_UID", pod("activator") + ".env[0].value": "1GiB"}},
		"in bytes, as a number of a values file": {[]string{"activator.resources.limits=@json:{\"memory\":2147483648}"}, map[string]string{
			pod("activator") + ".env[*].value": "1932735283",
		}},
		"not in words that the chart does not read": {[]string{"activator.resources.limits.memory=2e9"}, map[string]string{
			pod("activator") + ".env[*].value": "", pod("activator") + ".resources.limits.memory": "2e9",
		}},
		"nor nothing":        {[]string{"activator.resources.limits.memory=0"}, map[string]string{pod("activator") + ".env[*].value": ""}},
		"where there is one": {[]string{"activator.resources.limits=null"}, map[string]string{pod("activator") + ".env[*].value": ""}},
	})
}
