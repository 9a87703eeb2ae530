# Takes the pattern of a quantity out where a rule beside it refuses the same in words.
/^ *pattern: ^(\\+|-)?((/{
N
N
/x-kubernetes-validations:/s/^[^\n]*\n//
}
