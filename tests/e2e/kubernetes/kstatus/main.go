// Command kstatus judges objects as Flux, Argo and others do: one object in JSON per line in, one verdict per line out.
package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
)

// Objects are far smaller: the API server takes no more than 3 MiB.
const longestLine = 16 << 20

func judge(line []byte) (string, error) {
	var object unstructured.Unstructured
	// Not by encoding/json, which would make every number a float.
	if err := object.UnmarshalJSON(line); err != nil {
		return "", err
	}
	result, err := status.Compute(&object)
	if err != nil {
		return "", err
	}
	message := strings.Join(strings.Fields(result.Message), " ")
	return fmt.Sprintf("%s\t%s", result.Status, message), nil
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, longestLine)
	for lines.Scan() {
		verdict, err := judge(lines.Bytes())
		if err != nil {
			fmt.Fprintln(os.Stderr, "kstatus:", err)
			os.Exit(1)
		}
		fmt.Println(verdict)
	}
	if err := lines.Err(); err != nil {
		fmt.Fprintln(os.Stderr, "kstatus:", err)
		os.Exit(1)
	}
}
