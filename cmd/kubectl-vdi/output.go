package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/cli-runtime/pkg/genericclioptions"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

const wide = "wide"

// output is what -o asks for: a table, a wide one, or objects as kubectl prints them.
type output struct{ flags *genericclioptions.PrintFlags }

// addOutput adds -o; done is what kubectl's printers say after an object's name, such as created.
// A command with a --template of its own takes none of kubectl's.
func addOutput(cmd *cobra.Command, done string) output {
	o := output{genericclioptions.NewPrintFlags(done)}
	if cmd.Flag("template") != nil {
		o.flags.TemplatePrinterFlags = nil
	}
	o.flags.AddFlags(cmd)
	formats := append(o.flags.AllowedFormats(), wide)
	cmd.Flag("output").Usage = fmt.Sprintf("Output format. One of: (%s).", strings.Join(formats, ", "))
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp))
	return o
}

func (o output) format() string { return *o.flags.OutputFormat }

func (o output) wide() bool { return o.format() == wide }

// table says that no objects are asked for.
func (o output) table() bool {
	template := o.flags.TemplatePrinterFlags
	return o.wide() || o.format() == "" && (template == nil || *template.TemplateArgument == "")
}

// check refuses a format that there is not, before anything is changed.
func (o output) check() error {
	if o.wide() {
		return nil
	}
	_, err := o.flags.ToPrinter()
	return err
}

// print prints an object or a list as kubectl get -o does.
func (o output) print(w io.Writer, object runtime.Object) error {
	printer, err := o.flags.ToPrinter()
	if err != nil {
		return err
	}
	items, err := meta.ExtractList(object)
	if !meta.IsListType(object) {
		one, err := plain(object)
		if err != nil {
			return err
		}
		return printer.PrintObj(one, w)
	}
	if err != nil {
		return err
	}
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(schema.GroupVersionKind{Version: "v1", Kind: "List"})
	for _, item := range items {
		one, err := plain(item)
		if err != nil {
			return err
		}
		list.Items = append(list.Items, *one)
	}
	return printer.PrintObj(list, w)
}

// plain is an object with its kind, which a typed client leaves out.
func plain(object runtime.Object) (*unstructured.Unstructured, error) {
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		return nil, err
	}
	u := &unstructured.Unstructured{Object: fields}
	switch object.(type) {
	case *v1alpha1.VDITemplate:
		u.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("VDITemplate"))
	default:
		u.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(v1alpha1.KindSession))
	}
	return u, nil
}

// column is one of a table; a wide one is shown with -o wide only.
type column[T any] struct {
	name  string
	value func(*T) string
	wide  bool
}

func printTable[T any](w io.Writer, columns []column[T], rows []T, all bool) error {
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	line := func(value func(column[T]) string) {
		var cells []string
		for _, c := range columns {
			if all || !c.wide {
				cells = append(cells, value(c))
			}
		}
		// The tab writer keeps what is written and any error until it is flushed.
		_, _ = fmt.Fprintln(t, strings.Join(cells, "\t"))
	}
	line(func(c column[T]) string { return c.name })
	for i := range rows {
		line(func(c column[T]) string { return c.value(&rows[i]) })
	}
	return t.Flush()
}
