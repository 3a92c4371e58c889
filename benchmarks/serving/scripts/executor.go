// A stand-in for Seldon's executor (Go): the same calls in the same order over the same default transport, with the
// members called at once. The real one parses and records more, so the graph is not flattered by leaving it out.
package main

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strings"
	"sync"
)

func call(url string, body []byte) ([]byte, int, error) {
	response, err := http.Post(url, "application/json", bytes.NewReader(body))
	if err != nil {
		return nil, 0, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	return answer, response.StatusCode, err
}

func main() {
	transformer, combiner, members := os.Args[2], os.Args[3], strings.Split(os.Args[4], ",")
	http.HandleFunc("/predict", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		features, status, err := call(transformer+"/transform-input", body)
		if err != nil || status != 200 {
			http.Error(w, fmt.Sprint(string(features), err), 502)
			return
		}
		answers := make([]string, len(members))
		var group sync.WaitGroup
		for i, member := range members {
			group.Add(1)
			go func(i int, member string) {
				defer group.Done()
				answer, status, err := call(member+"/predict", features)
				if err == nil && status == 200 {
					answers[i] = string(answer)
				}
			}(i, member)
		}
		group.Wait()
		answer, status, err := call(combiner+"/aggregate", []byte(`{"seldonMessages":[`+strings.Join(answers, ",")+`]}`))
		if err != nil || status != 200 {
			http.Error(w, fmt.Sprint(string(answer), err), 502)
			return
		}
		w.Header().Set("content-type", "application/json")
		w.Write(answer)
	})
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Args[1], nil))
}
