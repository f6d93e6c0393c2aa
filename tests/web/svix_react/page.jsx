// A page as a customer's own: the portal in a frame, and beside it what the hooks know.
import React from "react";
import { createRoot } from "react-dom/client";
import { AppPortal, SvixProvider, useEndpoints, useEventTypes, useNewEndpoint } from "svix-react";
import "svix-react/style.css";

const { url, token, appId, serverUrl } = JSON.parse(document.getElementById("access").textContent);
const options = { serverUrl };

function Endpoints() {
  const endpoints = useEndpoints();
  const types = useEventTypes();
  const { url, createEndpoint } = useNewEndpoint();
  const [failure, setFailure] = React.useState("");
  const create = async () => {
    const { error } = await createEndpoint();
    setFailure(error ? String(error) : "");
    endpoints.reload();
  };
  return (
    <section>
      <p role="alert">{String(endpoints.error ?? types.error ?? failure)}</p>
      <ul aria-label="Endpoints">{endpoints.data?.map(({ id, url }) => <li key={id}>{url}</li>)}</ul>
      <ul aria-label="Event types">{types.data?.map(({ name }) => <li key={name}>{name}</li>)}</ul>
      <label>Address <input value={url.value} onChange={(event) => url.setValue(event.target.value)} /></label>
      <button onClick={create}>Create</button>
      <button onClick={endpoints.reload}>Load again</button>
    </section>
  );
}

createRoot(document.getElementById("root")).render(
  <React.StrictMode>
    <SvixProvider token={token} appId={appId} options={options}><Endpoints /></SvixProvider>
    <AppPortal url={url} fullSize darkMode primaryColor="#ffdd00" fontFamily="Open Sans" />
  </React.StrictMode>,
);
